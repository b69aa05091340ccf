package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skepdev/skep/engine"
)

func background() context.Context { return context.Background() }

// entry is a map with a key, from the words MAP KEY.
func (t *teller) entry(w []string) (m engine.Map, key []byte, err error) {
	if len(w) == 0 {
		return nil, nil, errWords
	}
	if err := t.loaded(); err != nil {
		return nil, nil, err
	}
	if m, err = t.coll.Map(w[0]); err != nil {
		return nil, nil, err
	}
	if m.Info().KeySize == 0 && len(w) == 1 {
		return m, nil, nil
	}
	k, err := parseValue(w[1:])
	return m, k.bytes, err
}

func (t *teller) mapStep(w []string) error {
	w, rest := cutFailure(w)
	left, v, err := assignment(w)
	if err != nil {
		return err
	}
	m, key, err := t.entry(left)
	if err != nil {
		return err
	}
	val := v.bytes
	if info := m.Info(); engine.PerCPU(info.Type) {
		one := make([]byte, (info.ValueSize+7)&^7)
		copy(one, val)
		val = bytes.Repeat(one, info.ValueBytes/len(one))
	}
	return checkFailure(m.Update(key, val, 0), rest)
}

// cutFailure takes a trailing "fails NAME" off.
func cutFailure(w []string) (head, failure []string) {
	if n := len(w); n >= 2 && w[n-2] == "fails" {
		return w[:n-2], w[n-2:]
	}
	return w, nil
}

func (t *teller) deleteStep(w []string) error {
	w, rest := cutFailure(w)
	m, key, err := t.entry(w)
	if err != nil {
		return err
	}
	return checkFailure(m.Delete(key), rest)
}

func (t *teller) want(w []string) error {
	left, right, ok := cutWords(w, "=")
	if !ok {
		return errors.New("want MAP KEY = VALUE")
	}
	m, key, err := t.entry(left)
	if err != nil {
		return err
	}
	have := make([]byte, m.Info().ValueBytes)
	err = m.Lookup(key, have, 0)
	if len(right) == 1 && right[0] == "none" {
		if !errors.Is(err, engine.ErrKeyNotExist) {
			return fmt.Errorf("there is %x (%v)", have, err)
		}
		return nil
	}
	v, err2 := parseValue(right)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if !v.matches(have) {
		return fmt.Errorf("there is\n%x, want\n%s", have, v)
	}
	return nil
}

func (t *teller) sum(w []string) error {
	left, v, err := assignment(w)
	if err != nil {
		return err
	}
	m, key, err := t.entry(left)
	if err != nil {
		return err
	}
	info := m.Info()
	if !engine.PerCPU(info.Type) || info.ValueSize%8 != 0 {
		return errors.New("sum is for per-CPU maps of 64-bit words")
	}
	all := make([]byte, info.ValueBytes)
	if err := m.Lookup(key, all, 0); err != nil {
		return err
	}
	total := make([]byte, info.ValueSize)
	for cpu := 0; cpu < len(all); cpu += len(total) {
		for i := 0; i < len(total); i += 8 {
			n := binary.NativeEndian.Uint64(total[i:]) + binary.NativeEndian.Uint64(all[cpu+i:])
			binary.NativeEndian.PutUint64(total[i:], n)
		}
	}
	if !v.matches(total) {
		return fmt.Errorf("the sum is\n%x, want\n%s", total, v)
	}
	return nil
}

func (t *teller) count(w []string) error {
	if len(w) != 2 {
		return errWords
	}
	want, err := strconv.Atoi(w[1])
	if err != nil {
		return err
	}
	if err := t.loaded(); err != nil {
		return err
	}
	m, err := t.coll.Map(w[0])
	if err != nil {
		return err
	}
	n := 0
	for range engine.Entries(m, &err) {
		n++
	}
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("there are %d", n)
	}
	return nil
}

// variable finds VAR[@OFFSET] and its bytes.
func (t *teller) variable(name string) (v engine.Variable, all []byte, offset int, err error) {
	if err := t.loaded(); err != nil {
		return nil, nil, 0, err
	}
	name, at, ok := strings.Cut(name, "@")
	if ok {
		if offset, err = strconv.Atoi(at); err != nil {
			return nil, nil, 0, err
		}
	}
	if v, err = t.coll.Variable(name); err != nil {
		return nil, nil, 0, err
	}
	all = make([]byte, v.Size())
	if offset > len(all) {
		return nil, nil, 0, fmt.Errorf("%s has %d bytes", name, len(all))
	}
	return v, all, offset, v.Get(all)
}

func (t *teller) varStep(w []string) error {
	w, rest := cutFailure(w)
	left, val, err := assignment(w)
	if err != nil || len(left) != 1 {
		return errors.Join(err, lengthError(left, 1))
	}
	v, all, offset, err := t.variable(left[0])
	if err != nil {
		return err
	}
	if len(all)-offset < len(val.bytes) {
		return fmt.Errorf("the variable has %d bytes", len(all))
	}
	copy(all[offset:], val.bytes)
	return checkFailure(v.Set(all), rest)
}

func (t *teller) wantvar(w []string) error {
	left, val, err := assignment(w)
	if err != nil || len(left) != 1 {
		return errors.Join(err, lengthError(left, 1))
	}
	_, all, offset, err := t.variable(left[0])
	if err != nil {
		return err
	}
	have := all[offset:]
	have = have[:min(len(have), len(val.bytes))]
	if !val.matches(have) {
		return fmt.Errorf("it is\n%x (%s), want\n%s", have, words64(have), val)
	}
	return nil
}

// words64 is b as signed 64-bit words, for those who read a failure.
func words64(b []byte) string {
	var s []string
	for ; len(b) >= 8; b = b[8:] {
		s = append(s, strconv.FormatInt(int64(binary.NativeEndian.Uint64(b)), 10))
	}
	return strings.Join(s, ",")
}

func (t *teller) ring(w []string) error {
	if len(w) < 2 {
		return errWords
	}
	if err := t.loaded(); err != nil {
		return err
	}
	r := t.rings[w[0]]
	if w[1] == "empty" {
		if n := r.AvailableBytes(); n != 0 {
			return fmt.Errorf("%d bytes are left", n)
		}
		return nil
	}
	v, err := parseValue(w[1:])
	if err != nil {
		return err
	}
	r.SetDeadline(time.Now().Add(patience))
	rec, err := r.Read()
	if err != nil {
		return err
	}
	if !v.matches(rec.Data) {
		return fmt.Errorf("the record is\n%x, want\n%s", rec.Data, v)
	}
	return nil
}

// perf compares without the padding that Linux puts after a sample: the
// sample and its 4-byte length together are a multiple of 8.
func (t *teller) perf(w []string) error {
	if len(w) < 2 {
		return errWords
	}
	if err := t.loaded(); err != nil {
		return err
	}
	v, err := parseValue(w[1:])
	if err != nil {
		return err
	}
	r := t.perfs[w[0]]
	r.SetDeadline(time.Now().Add(patience))
	rec, err := r.Read()
	if err != nil {
		return err
	}
	if rec.Lost != 0 {
		return fmt.Errorf("%d samples lost", rec.Lost)
	}
	data := rec.Data
	if extra := len(data) - len(v.bytes); extra > 0 && extra < 8 {
		data = data[:len(v.bytes)]
	}
	if !v.matches(data) {
		return fmt.Errorf("the sample is\n%x, want\n%s", rec.Data, v)
	}
	return nil
}

// print skips lines of other programs on the machine.
func (t *teller) print(w []string) error {
	text := strings.Join(w, " ")
	if err := t.loaded(); err != nil {
		return err
	}
	t.printk.SetDeadline(time.Now().Add(patience))
	var seen []string
	for {
		line, err := t.printk.Read()
		if err != nil {
			return fmt.Errorf("%w; lines read: %q", err, seen)
		}
		if strings.Contains(line.Text, text) {
			return nil
		}
		if seen = append(seen, line.Text); len(seen) > 100 {
			return fmt.Errorf("not in 100 lines, last %q", seen[99])
		}
	}
}
