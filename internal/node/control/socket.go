// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack"
)

// SocketEnv is the environment variable with the path of the socket, for commands
// that are not told by a flag.
const SocketEnv = "MNET_SOCKET"

// DefaultSocket is the path of the socket where nothing else is said.
func DefaultSocket() string {
	if path := os.Getenv(SocketEnv); path != "" {
		return path
	}
	return "/run/mnet/mnet.sock"
}

const (
	socketMode = 0o600 // the owner only: a user who can open it can use the network as the node
	dirMode    = 0o755
)

// maxPath is how many bytes of a path fit into a socket's address, with a zero behind.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// ErrSocketInUse: another node answers at the socket.
var ErrSocketInUse = fmt.Errorf("control socket %w by another mnet", netstack.ErrInUse)

// Listen makes the socket at path, for the user with the ID uid (see [LookupOwner]). A
// socket that a killed node has left is replaced. willCreate is called before the
// socket is there, so that it is removed in any case.
func Listen(path string, uid int, willCreate func(path string) error) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("%w: control socket: the path %s has %d bytes, of which the system takes %d: choose another place (--socket)", node.ErrConfig, path, len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, explainListen(err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	if err := willCreate(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: restrict}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, explainListen(err)
	}
	if uid != noOwner {
		// A user who may write to the directory could put a link in its place.
		if err := os.Lchown(path, uid, -1); err != nil {
			l.Close()
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	return l, nil
}

// explainListen adds the remedy to the error about a socket that cannot be made. A user
// who may not make it is likely to lack the rights for the rest of a node as well.
func explainListen(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("control socket: %w (%w): run as root or with CAP_NET_ADMIN, and in a place where that user may write (--socket)", netstack.ErrPermission, err)
	}
	return fmt.Errorf("control socket: %w: choose another place (--socket)", err)
}

// noOwner stands for the user who makes the socket.
const noOwner = -1

// LookupOwner returns the ID of a user by name or number. The empty name is the user
// who runs this program. A number needs no entry in /etc/passwd: users of a directory
// service have none, and a static program does not ask the service. Errors are
// [node.ErrConfig].
func LookupOwner(name string) (uid int, err error) {
	if name == "" {
		return noOwner, nil
	}
	if u, err := user.Lookup(name); err == nil {
		return strconv.Atoi(u.Uid)
	}
	if uid, err := strconv.ParseUint(name, 10, 32); err == nil && uid != noUID {
		return int(uid), nil
	}
	return 0, fmt.Errorf("%w: owner of the control socket: there is no user %q in /etc/passwd: give the number", node.ErrConfig, name)
}

// noUID is chown(2)'s value for "no change".
const noUID = 1<<32 - 1

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("control socket: %s is there and is no socket: choose another place (--socket)", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s: %w: choose another (--socket), or end that one", path, ErrSocketInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("control socket: %w", err)
	}
	return os.Remove(path)
}
