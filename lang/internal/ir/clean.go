package ir

// Clean drops blocks nothing reaches (the verifier refuses them), passes jumps
// to jumps on, and drops instructions whose result nobody reads.
func (f *Func) Clean() {
	for _, b := range f.Blocks {
		if n := len(b.Ins); n == 0 || !b.Ins[n-1].ends() {
			b.Ins = append(b.Ins, Ins{Op: Return, A: Imm(0)})
		}
	}
	for _, b := range f.Blocks {
		last := &b.Ins[len(b.Ins)-1]
		last.Then, last.Else = through(last.Then), through(last.Else)
		if last.Op == Branch && last.Then == last.Else {
			*last = Ins{Op: Jump, Then: last.Then}
		}
	}
	f.Blocks = reachable(f.Blocks[0])
	for i, b := range f.Blocks {
		b.ID = i
	}
	for f.dropDead() {
	}
}

// through follows blocks that only jump.
func through(b *Block) *Block {
	for range 16 {
		if b == nil || len(b.Ins) != 1 || b.Ins[0].Op != Jump {
			return b
		}
		b = b.Ins[0].Then
	}
	return b
}

// reachable lists blocks in reverse postorder: a block comes before those it
// jumps to, but for loops.
func reachable(entry *Block) []*Block {
	seen := map[*Block]bool{}
	var post []*Block
	type frame struct {
		b    *Block
		next int
	}
	stack := []frame{{entry, 0}}
	seen[entry] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		last := &top.b.Ins[len(top.b.Ins)-1]
		// Else first: it is laid out after Then.
		succ := []*Block{last.Else, last.Then}
		if top.next == len(succ) {
			post = append(post, top.b)
			stack = stack[:len(stack)-1]
			continue
		}
		s := succ[top.next]
		top.next++
		if s != nil && !seen[s] {
			seen[s] = true
			stack = append(stack, frame{s, 0})
		}
	}
	for i, j := 0, len(post)-1; i < j; i, j = i+1, j-1 {
		post[i], post[j] = post[j], post[i]
	}
	return post
}

// dropDead removes pure instructions whose register is not read anywhere.
func (f *Func) dropDead() bool {
	read := make([]bool, f.Regs+1)
	for _, b := range f.Blocks {
		for i := range b.Ins {
			b.Ins[i].Uses(func(a *Arg) {
				if a.Kind == ArgReg {
					read[a.Reg] = true
				}
			})
		}
	}
	dropped := false
	for _, b := range f.Blocks {
		kept := b.Ins[:0]
		for _, i := range b.Ins {
			if i.Pure() && !read[i.Dst] {
				dropped = true
				continue
			}
			kept = append(kept, i)
		}
		b.Ins = kept
	}
	return dropped
}
