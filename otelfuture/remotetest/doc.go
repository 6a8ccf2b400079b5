// Package remotetest tests packages otelfuture and remote together. It is a module of its own, so
// that otelfuture does not require NATS.
package remotetest
