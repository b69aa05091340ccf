// Package capture reads and writes packet captures: pcap
// (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).
//
//	r, err := capture.NewReader(file)
//	var p capture.Packet
//	for {
//		err := r.Next(&p)
//		if err == io.EOF { break }
//		if err != nil { return err }
//		use(p.Data) // borrowed until the next call
//	}
//
// Both directions stream and allocate nothing per packet. Files are not
// trusted: memory grows with what a file holds, never with what it claims, and
// a damaged one gives an [*Error] that says where it is damaged and how to
// mend it, after the packets before that place.
//
// Compressed files are not read: unpack them first.
package capture
