package check

// findLoops numbers the strongly connected components of each function's
// control flow graph (Tarjan), leaving 0 for instructions outside of loops
// (compute_scc).
func (c *Checker) findLoops() error {
	n := len(c.insns)
	index := make([]int32, n) // order of discovery, from 1
	low := make([]int32, n)
	onStack := make([]bool, n)
	var stack []int
	type frame struct {
		insn, next, n int
		succ          [2]int
	}
	var path []frame
	var order, component int32
	enter := func(i int) {
		order++
		index[i], low[i] = order, order
		stack = append(stack, i)
		onStack[i] = true
		f := frame{insn: i}
		f.n = len(c.successors(i, f.succ[:0]))
		path = append(path, f)
	}
	for k := range c.subs {
		if index[c.subs[k].start] != 0 || len(c.subs[k].postorder) == 0 {
			continue
		}
		enter(c.subs[k].start)
		for len(path) > 0 {
			f := &path[len(path)-1]
			if f.next < f.n {
				to := f.succ[f.next]
				f.next++
				if index[to] == 0 {
					enter(to)
				} else if onStack[to] {
					low[f.insn] = min(low[f.insn], index[to])
				}
				continue
			}
			i := f.insn
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1].insn
				low[up] = min(low[up], low[i])
			}
			if low[i] != index[i] {
				continue
			}
			at := len(stack) - 1
			for stack[at] != i {
				at--
			}
			members := stack[at:]
			// A callback runs as often as its caller likes.
			if len(members) > 1 || c.selfLoop(i) || c.aux[i].callback {
				component++
				for _, m := range members {
					c.aux[m].scc = component
				}
			}
			for _, m := range members {
				onStack[m] = false
			}
			stack = stack[:at]
		}
	}
	return nil
}

func (c *Checker) selfLoop(i int) bool {
	var buf [2]int
	for _, to := range c.successors(i, buf[:0]) {
		if to == i {
			return true
		}
	}
	return false
}
