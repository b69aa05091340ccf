//go:build !linux

package host

// mapRing gives plain memory: systems without memfd_create have no portable
// way to map anonymous memory twice.
func mapRing(size int) (*Ring, error) {
	b, err := mapMemory(2 * size)
	if err != nil {
		return nil, err
	}
	return &Ring{Data: b, Size: size}, nil
}

func unmapRing(r *Ring) error { return unmapMemory(r.Data) }
