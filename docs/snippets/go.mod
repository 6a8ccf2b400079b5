module github.com/channel-native/future/docs/snippets

go 1.26.0

require go.uber.org/goleak v1.3.0

replace github.com/channel-native/future => ../../
