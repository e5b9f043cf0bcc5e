package tables

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	mostArrays    = 10_000
	mostInflation = 1032 // bytes that deflate makes of one
)

// readNPZ reads arrays by name. One of shape (rows, n) has n columns, q as q1 to qn.
func readNPZ(file io.ReaderAt, size int64, choose Choose) (*Table, error) {
	packed, err := zip.NewReader(file, size)
	if err != nil {
		return nil, fmt.Errorf("it is none that numpy.savez writes: %w", err)
	}
	if count := len(packed.File); count == 0 || count > mostArrays {
		return nil, fmt.Errorf("it holds %d arrays; 1 to %d are read", count, mostArrays)
	}
	if err := checkSizes(packed.File, uint64(size)); err != nil {
		return nil, err
	}
	arrays := make([]array, len(packed.File))
	for i, record := range packed.File {
		if arrays[i], err = headerOf(record); err != nil {
			return nil, fmt.Errorf("the array %.60q: %w", record.Name, err)
		}
		if arrays[i].rows != arrays[0].rows {
			return nil, fmt.Errorf("the array %.60q has %d rows, and %.60q has %d", record.Name, arrays[i].rows, packed.File[0].Name, arrays[0].rows)
		}
	}
	t, err := tableOf(arrays, choose)
	if err != nil {
		return nil, err
	}
	var spans []span
	for i, a := range arrays {
		if !slices.ContainsFunc(a.fields, func(f field) bool { return t.layout.Columns[f.column].Kind != Skip }) {
			continue
		}
		spans = append(spans, span{array: a, rows: a.rows, open: func() (io.ReadCloser, error) {
			content, err := packed.File[i].Open()
			if err == nil {
				_, err = io.CopyN(io.Discard, content, int64(a.header))
			}
			return content, err
		}})
	}
	return t, t.fill(spans)
}

// checkSizes returns an error if records announce more bytes than the file can hold or inflate to.
func checkSizes(records []*zip.File, size uint64) error {
	for _, record := range records {
		if record.CompressedSize64 > size || record.UncompressedSize64/mostInflation > record.CompressedSize64 {
			return fmt.Errorf("the array %.60q announces %d bytes in %d, more than the file can hold", record.Name, record.UncompressedSize64,
				record.CompressedSize64)
		}
		size -= record.CompressedSize64
	}
	return nil
}

// headerOf returns the array of a record, whose fields have the name of the record.
func headerOf(record *zip.File) (array, error) {
	name, isArray := strings.CutSuffix(record.Name, ".npy")
	if !isArray {
		return array{}, errors.New("its name does not end with .npy")
	}
	content, err := record.Open()
	if err != nil {
		return array{}, err
	}
	defer func() { _ = content.Close() }()
	a, err := readHeader(content, int64(record.UncompressedSize64))
	if err == nil && a.named {
		err = errors.New("it is structured; the arrays of a .npz are plain")
	}
	for i, f := range a.fields {
		if a.fields[i].name = name; f.name != "" {
			a.fields[i].name = numberedName(name, i+1)
		}
	}
	return a, err
}
