package main

// The client requests of callgrind.h that switch the counting on and off, in all threads.
const (
	startInstrumentation = 'C'<<24 | 'T'<<16 | 4
	stopInstrumentation  = 'C'<<24 | 'T'<<16 | 5
)
