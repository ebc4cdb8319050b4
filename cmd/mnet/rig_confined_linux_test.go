// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	nobody = 65534

	// stage is a directory that every system has, for a file system that only the
	// process sees.
	stage = "/run"

	// runtimeDir is the directory that systemd makes for RuntimeDirectory=mnet.
	runtimeDir = stage + "/mnet"
)

// confined runs mnet as a service manager does. The user has no privileges but the
// capabilities in the first argument, such as "net_admin". The file system has a TUN
// driver which that user may open. confined does not return. It has to be started in a
// mount namespace of its own: see startConfined.
func confined() {
	fmt.Fprintln(os.Stderr, "confined:", confine(os.Args[1], os.Args[2:]))
	os.Exit(exitFailure)
}

func confine(caps string, args []string) error {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		return err
	}
	mnet := filepath.Join(stage, "bin", "mnet")
	if err := setStage(mnet); err != nil {
		return err
	}
	set := "-all"
	for c := range strings.SplitSeq(caps, ",") {
		set += ",+" + c
	}
	user := fmt.Sprint(nobody)
	return unix.Exec(setpriv, append([]string{"setpriv",
		"--reuid=" + user, "--regid=" + user, "--clear-groups", "--no-new-privs",
		"--inh-caps=" + set, "--ambient-caps=" + set, "--bounding-set=" + set, mnet}, args...), os.Environ())
}

// setStage makes the file system, with a copy of this program at mnet.
func setStage(mnet string) error {
	if err := needOwnMounts(); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", stage, "tmpfs", 0, "mode=755"); err != nil {
		return os.NewSyscallError("mount tmpfs", err)
	}
	if err := os.Mkdir(filepath.Dir(mnet), 0o755); err != nil {
		return err
	}
	if err := copyFile(mnet, "/proc/self/exe"); err != nil {
		return err
	}
	if err := os.Mkdir(runtimeDir, 0o755); err != nil {
		return err
	}
	if err := os.Chown(runtimeDir, nobody, nobody); err != nil {
		return err
	}
	const tun = "/dev/net/tun"
	node := filepath.Join(stage, "tun")
	if err := unix.Mknod(node, unix.S_IFCHR, int(unix.Mkdev(10, 200))); err != nil { // misc(4), Linux' devices.txt
		return os.NewSyscallError("mknod", err)
	}
	if err := os.Chmod(node, 0o666); err != nil { // as udev does
		return err
	}
	return os.NewSyscallError("mount "+tun, unix.Mount(node, tun, "", unix.MS_BIND, ""))
}

// needOwnMounts keeps later steps from changing the mounts of the host.
func needOwnMounts() error {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	if err != nil {
		return err
	}
	if own == parents {
		return errors.New("this is not a mount namespace of its own")
	}
	return nil
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}
