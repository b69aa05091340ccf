// Package picture draws what scripts measure: histograms, heat maps of
// histograms that were printed again and again, time series and counts, as one
// HTML page that fetches nothing and needs no script.
//
//	page := &picture.Page{Title: "opens.bt"}
//	session.Record = page      // or copy a trace's JSON into it: it is an io.Writer
//	err := page.WriteHTML(w)
//
// What comes in is bpftrace's JSON output, a message a line; other tools that
// write it can be drawn, too. Of a map that was printed several times the last
// state is drawn, and what happened between prints: for a histogram as a heat map
// (time to the right, buckets upwards, darker is more), for numbers as lines.
//
// Limits: 1,000 states of a map, 40 keys drawn of each, 256 buckets, lines of
// 4 MiB. What is left out is said on the page.
package picture
