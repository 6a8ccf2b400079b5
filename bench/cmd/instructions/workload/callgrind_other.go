//go:build !amd64

package main

func request(uintptr) { panic("workload: valgrind's client requests are implemented for amd64 only") }
