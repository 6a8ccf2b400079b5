package remote_test

func runWorkerProcess(url string) int { return 0 }

const workerURL = "FUTURE_REMOTE_TEST_WORKER"
