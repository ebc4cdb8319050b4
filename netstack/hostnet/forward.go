// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
)

// errReadOnly is the error of /proc/sys in most containers.
const errReadOnly = syscall.EROFS

// forceForwarding is the IPv6 switch of one device (Linux 6.17). It is a variable for
// tests of older kernels.
var forceForwarding = "force_forwarding"

// forwarding turns forwarding on, and off again. It is not safe for concurrent use.
type forwarding struct {
	// The directories belong to the network namespace in which they were opened, on
	// every thread that uses them.
	conf    map[string]*os.Root // by "ipv4" and "ipv6"; without IPv6 in the kernel there is one
	changed func(Setting)
	made    []Setting
}

func openForwarding(changed func(Setting)) (*forwarding, error) {
	f := &forwarding{conf: make(map[string]*os.Root), changed: changed}
	for _, family := range []string{"ipv4", "ipv6"} {
		root, err := os.OpenRoot(path.Join(procNet, family, "conf"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			f.close()
			return nil, err
		}
		f.conf[family] = root
	}
	return f, nil
}

// close puts everything back.
func (f *forwarding) close() error {
	var errs []error
	for _, s := range slices.Backward(f.made) {
		family, device, name, _ := s.split()
		errs = append(errs, s.restoreIn(f.conf[family], path.Join(device, name)))
	}
	for _, root := range f.conf {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

// enable has packets of a family, "ipv4" or "ipv6", forwarded that come in by a device.
func (f *forwarding) enable(family, device string) error {
	if family == "ipv4" {
		return f.enable4(device)
	}
	return f.enable6(device)
}

// single reports whether there is a switch of the device alone.
func (f *forwarding) single(family, device string) bool {
	_, err := f.get(family, device, forceForwarding)
	return family == "ipv4" || err == nil
}

// isOn reports whether packets of a family are forwarded that come in by a device. It
// does not look at the switch of all devices.
func (f *forwarding) isOn(family, device string) (bool, error) {
	name := "forwarding"
	if family == "ipv6" && f.single(family, device) {
		name = forceForwarding
	}
	value, err := f.get(family, device, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it is gone, or does not have the family
	}
	return value != "0", err
}

// enable4 has IPv4 packets that come in by a device forwarded.
func (f *forwarding) enable4(device string) error {
	return f.raise("ipv4", device, "forwarding", "0", "1")
}

// enable6 has IPv6 packets that come in by a device forwarded.
func (f *forwarding) enable6(device string) error {
	on, err := f.get("ipv6", "all", "forwarding")
	if err != nil || on != "0" {
		return err // it is a router already
	}
	err = f.raise("ipv6", device, forceForwarding, "0", "1")
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := f.get("ipv6", device, "forwarding"); gone != nil {
			return gone
		}
		return f.enableAll6()
	}
	return err
}

// enableAll6 makes a router of the host that goes on listening to router
// advertisements, on all present and future interfaces.
//
// A future interface forwards by the switch of all interfaces, too. Its own switch
// stays off: it is on if somebody else turns forwarding on, which isRouter notices.
func (f *forwarding) enableAll6() error {
	dir, err := f.conf["ipv6"].Open(".")
	if err != nil {
		return err
	}
	devices, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return err
	}
	for _, device := range devices {
		// "all" is no interface. An interface that is a router's already does not
		// listen at 1, and must not begin to.
		if router, err := f.get("ipv6", device, "forwarding"); device == "all" || err != nil || router != "0" {
			continue
		}
		if err := f.raise("ipv6", device, "accept_ra", "1", "2"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	future, err := f.get("ipv6", "default", "forwarding")
	if err != nil {
		return err
	}
	if err := f.raise("ipv6", "all", "forwarding", "0", "1"); err != nil {
		return err
	}
	return writeSetting(f.conf["ipv6"], "default/forwarding", future)
}

// raise sets a value to to if it is from.
func (f *forwarding) raise(family, device, name, from, to string) error {
	now, err := f.get(family, device, name)
	if err != nil || now != from {
		return err
	}
	s := Setting{Path: path.Join(procNet, family, "conf", device, name), Was: from, Set: to}
	f.changed(s)
	if err := writeSetting(f.conf[family], path.Join(device, name), to); err != nil {
		return fmt.Errorf("set %s to %s: %w", s.Path, to, explainWrite(err))
	}
	// An interface that was gone and is back is set a second time.
	if !slices.Contains(f.made, s) {
		f.made = append(f.made, s)
	}
	return nil
}

// get returns a value. Without the file, or the family, it is an fs.ErrNotExist.
func (f *forwarding) get(family, device, name string) (string, error) {
	root := f.conf[family]
	if root == nil {
		return "", fmt.Errorf("%s: %w", family, fs.ErrNotExist)
	}
	return readSetting(root, path.Join(device, name))
}
