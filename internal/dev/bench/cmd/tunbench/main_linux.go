// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Tunbench measures TCP between the kernel and a stack behind a TUN device, with each
// driver of netstack/tun. For comparison, it measures two sockets of the kernel over a
// veth. The MTU is 1500 bytes.
//
//	tunbench [-rounds N] [-time D] [-cpuprofile FILE] [-only LINK/DIRECTION]
//
// In each round, each link is measured once in each direction, in an order that is
// reversed every time. So other work of the machine falls on all alike. The exit code
// is 1 if vnet_hdr is less than three times as fast as water in one of the directions.
// Tunbench needs root, and works in network namespaces of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

type config struct {
	rounds     int
	time       time.Duration
	cpuProfile string
	only       string
}

func main() {
	var cfg config
	flag.IntVar(&cfg.rounds, "rounds", 9, "number of rounds")
	flag.DurationVar(&cfg.time, "time", time.Second, "time of each measurement")
	flag.StringVar(&cfg.cpuProfile, "cpuprofile", "", "file for a CPU profile of all measurements")
	flag.StringVar(&cfg.only, "only", "", "measure nothing but this, such as vnet_hdr/send")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tunbench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config, w io.Writer) error {
	if cfg.rounds < 1 || cfg.time <= 0 {
		return errors.New("give at least one round, and some time")
	}
	network, err := kernel.New()
	if err != nil {
		return err
	}
	defer network.Close()
	links, err := openLinks(network)
	defer links.close()
	if err != nil {
		return err
	}
	stop, err := profile(cfg.cpuProfile)
	if err != nil {
		return err
	}
	res, err := measureAll(ctx, cfg, links)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	if err := res.print(w); err != nil || cfg.only != "" {
		return err
	}
	return res.verdict(w)
}

// profile begins a CPU profile, if it is asked for. stop ends it.
func profile(file string) (stop func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// measureAll returns the measurements of each round, for each link and direction.
func measureAll(ctx context.Context, cfg config, links links) (results, error) {
	type task struct {
		series
		link link
	}
	var tasks []task
	for _, l := range links {
		for _, d := range directions {
			if s := (series{l.name, d}); cfg.only == "" || cfg.only == s.String() {
				tasks = append(tasks, task{s, l})
			}
		}
	}
	if len(tasks) == 0 {
		return nil, fmt.Errorf("%s: no such measurement", cfg.only)
	}
	res := make(results)
	for range cfg.rounds {
		for _, t := range tasks {
			m, err := t.link.measure(ctx, t.direction, cfg.time)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", t.series, err)
			}
			res[t.series] = append(res[t.series], m)
		}
		slices.Reverse(tasks)
	}
	return res, nil
}
