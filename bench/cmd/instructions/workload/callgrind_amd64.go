package main

// request makes a client request of valgrind. Outside valgrind it does nothing.
func request(code uintptr)
