package demo

import (
	"context"
	"errors"
)

// Run builds the two endpoints, loads and attaches the filter, and pings
// through it until the script ends, the viewer quits or ctx is done. The last
// two are no errors. The report is nil only with an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	_ = ctx
	return nil, errors.New("run demo: under construction")
}
