//go:build linux

// Hello says where it runs, and ends with the code it is told.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

func main() {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var release []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	_, err := os.Stat("testdata/hello/main.go")
	fmt.Printf("%s on %s, testdata %v\n", os.Args[1], release, err == nil)
	if len(os.Args) > 2 {
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	}
}
