package demo

import "time"

// scriptClock fires when the script's next step is due. Without a script it
// never does.
type scriptClock struct {
	script *Script
	start  time.Time
	done   int
	timer  *time.Timer
}

func newScriptClock(s *Script) *scriptClock {
	c := &scriptClock{script: s, start: time.Now()}
	if s != nil {
		c.timer = time.NewTimer(time.Until(c.start.Add(c.due())))
	}
	return c
}

// endless says that the script flips for ever.
func (c *scriptClock) endless() bool { return len(c.script.Flips) == 0 && c.script.Length == 0 }

// due is when the next step comes: a flip or the end.
func (c *scriptClock) due() time.Duration {
	switch {
	case c.endless():
		return time.Duration(c.done+1) * every
	case c.done < len(c.script.Flips):
		return c.script.Flips[c.done].At
	case c.script.Length != 0:
		return c.script.Length
	}
	return c.script.Flips[len(c.script.Flips)-1].At + every
}

func (c *scriptClock) next() <-chan time.Time {
	if c.timer == nil {
		return nil
	}
	return c.timer.C
}

// step takes the step that is due: the verdict to flip to, or the end.
func (c *scriptClock) step(now Verdict) (to Verdict, end bool) {
	switch {
	case c.endless():
		to = Drop
		if now == Drop {
			to = Pass
		}
	case c.done < len(c.script.Flips):
		to = c.script.Flips[c.done].To
	default:
		return now, true
	}
	c.done++
	c.timer.Reset(time.Until(c.start.Add(c.due())))
	return to, false
}

func (c *scriptClock) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}
