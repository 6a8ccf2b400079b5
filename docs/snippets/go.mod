module github.com/channel-native/future/docs/snippets

go 1.26.0

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/channel-native/future v0.0.0
	github.com/sourcegraph/conc v0.3.0
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.24.0
)

require (
	go.uber.org/atomic v1.7.0 // indirect
	go.uber.org/multierr v1.9.0 // indirect
)

replace github.com/channel-native/future => ../../
