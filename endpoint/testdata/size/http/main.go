// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Http is a program with an HTTP client, for its size.
package main

import "net/http"

func main() {
	client := http.Client{Transport: &http.Transport{}}
	client.Get("http://localhost")
}
