// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"crypto/ed25519"
	"fmt"
	"log"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/mnet-dev/mnet/endpoint"
)

// newHostKey returns a new key of a server.
func newHostKey() ssh.Signer {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		log.Fatal(err)
	}
	return signer
}

// serveSSH is an SSH server for one connection. It runs no commands: it answers each with
// a line that says where the client is.
func serveSSH(ln net.Listener, hostKey ssh.Signer) {
	c, err := ln.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(hostKey)
	sc, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		session, requests, err := channel.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			var command struct{ Line string }
			if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil {
				r.Reply(false, nil)
				continue
			}
			r.Reply(true, nil)
			at := c.(*endpoint.Conn).Migration().Current.Remote.Addr()
			fmt.Fprintf(session, "%s runs %s from %v\n", sc.User(), command.Line, at)
			session.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{}))
			session.Close()
		}
	}
}
