module example.com/shop

go 1.26.0

require github.com/channel-native/future v0.0.0

require golang.org/x/sync v0.24.0

replace github.com/channel-native/future => ../../
