// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ReadConfig reads a configuration file into cfg. Settings that the file leaves out
// stay. A setting that Config does not have is an error. Errors name the line.
func ReadConfig(path string, cfg *Config) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := decodeConfig(text, cfg); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return nil
}

// plain replaces package yaml's words about types of this program.
var plain = strings.NewReplacer(
	" not found in type node.Config", " is no setting",
	" into time.Duration", ": want a duration such as 90m or 8h",
)

func decodeConfig(text []byte, cfg *Config) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(cfg)
	if err == io.EOF {
		return nil
	}
	if te := (*yaml.TypeError)(nil); errors.As(err, &te) {
		return errors.New(plain.Replace(strings.Join(te.Errors, "; ")))
	}
	if err != nil {
		return locate(text, err)
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("more than one document: put all settings above the line ---")
	}
	return refuseEmptyItems(text)
}

// refuseEmptyItems looks for items of lists without a value, which package yaml leaves
// out.
func refuseEmptyItems(text []byte) error {
	var lists map[string]yaml.Node
	if err := yaml.Unmarshal(text, &lists); err != nil {
		return err
	}
	for name, list := range lists {
		for _, item := range list.Content {
			if item.Tag == "!!null" {
				return fmt.Errorf("line %d: %s: an item is empty", item.Line, name)
			}
		}
	}
	return nil
}

// locate adds to err where it comes from: package yaml does not for values that are
// parsed by UnmarshalText.
func locate(text []byte, err error) error {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return err // of the syntax
	}
	settings := doc.Content[0].Content // names and values in turn
	for i := 0; i+1 < len(settings); i += 2 {
		name, value := settings[i], settings[i+1]
		items := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			items = value.Content
		}
		for _, item := range items {
			one := *value
			if value.Kind == yaml.SequenceNode {
				one.Content = []*yaml.Node{item}
			}
			alone := yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, &one}}
			if err := alone.Decode(new(Config)); err != nil {
				return fmt.Errorf("line %d: %s: %w", item.Line, name.Value, err)
			}
		}
	}
	return err
}
