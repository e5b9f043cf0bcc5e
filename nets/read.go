package nets

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
)

// ReadCheckpoint reads a state dict that torch.save (version 1.6 or later) or EncodeCheckpoint wrote, and those of the named attachments that the
// file holds. It is strict: every record that it reads has the right checksum, and every length, offset and shape fits the file, whose size bounds
// the memory. Each array fills memory of its own, as in safetensors. An error names the file and the record or the array. NaN is a value like
// others here.
func ReadCheckpoint(path string, attachments ...string) (Checkpoint, error) {
	checkpoint, err := readFile(path, attachments)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cannot read the checkpoint %s: %w", shortened(path, 120), err)
	}
	return checkpoint, nil
}

// VerifyCheckpoint returns an error unless every record of a file has the right checksum, also those that ReadCheckpoint does not read.
func VerifyCheckpoint(path string) error {
	packed, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("%s is damaged: %w", shortened(path, 120), withoutPath(err))
	}
	defer func() { _ = packed.Close() }()
	for _, record := range packed.File {
		reader, err := record.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, reader)
			err = cmp.Or(err, reader.Close())
		}
		if err != nil {
			return fmt.Errorf("%s: the record %s is damaged: %w", shortened(path, 120), quoted(record.Name), err)
		}
	}
	return nil
}

// DecodeCheckpoint is ReadCheckpoint for the content of a file.
func DecodeCheckpoint(content []byte, attachments ...string) (Checkpoint, error) {
	return readCheckpoint(bytes.NewReader(content), int64(len(content)), attachments)
}

func readFile(path string, attachments []string) (Checkpoint, error) {
	// To open a FIFO would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return Checkpoint{}, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return Checkpoint{}, errors.New("it is a folder, a pipe or a device; a checkpoint is a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return Checkpoint{}, withoutPath(err)
	}
	defer func() { _ = file.Close() }()
	return readCheckpoint(file, info.Size(), attachments)
}

// withoutPath returns the cause of an error of package os, whose text would name the file a second time.
func withoutPath(err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		return cause.Err
	}
	return err
}

func readCheckpoint(file io.ReaderAt, size int64, attachments []string) (Checkpoint, error) {
	a, err := openArchive(file, size)
	if err != nil {
		return Checkpoint{}, err
	}
	items, err := a.items()
	if err != nil {
		return Checkpoint{}, err
	}
	arrays, err := a.check(items)
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Entries: make(map[string]Entry, len(arrays)), Attachments: map[string][]byte{}}
	for _, array := range arrays {
		data, err := a.elements(array)
		if err != nil {
			return Checkpoint{}, err
		}
		c.Entries[array.name] = Entry{Name: array.name, Shape: array.shape, Data: data}
	}
	for _, name := range attachments {
		record, ok := a.records[a.folder+name]
		if !ok {
			continue
		}
		if size := record.UncompressedSize64; strings.HasSuffix(name, ".json") && size > mostPickleBytes {
			return Checkpoint{}, fmt.Errorf("%s has %d bytes; at most %d are read", quoted(name), size, mostPickleBytes)
		}
		if c.Attachments[name], err = a.content(name); err != nil {
			return Checkpoint{}, err
		}
	}
	return c, nil
}

// archive is the zip of a checkpoint.
type archive struct {
	folder  string               // of the checkpoint's records, with a slash at the end
	records map[string]*zip.File // by full name
}

func openArchive(file io.ReaderAt, size int64) (archive, error) {
	if size > mostBytes {
		return archive{}, fmt.Errorf("it has %d bytes; at most %d are read", size, mostBytes)
	}
	packed, err := zip.NewReader(file, size)
	if err != nil {
		return archive{}, fmt.Errorf("it is none that torch.save of version 1.6 or later writes: %w", err)
	}
	if err := checkHeaders(file, size, packed.File); err != nil {
		return archive{}, err
	}
	a := archive{records: make(map[string]*zip.File, len(packed.File))}
	for _, record := range packed.File {
		if a.records[record.Name] != nil {
			return archive{}, fmt.Errorf("two records are named %s", quoted(record.Name))
		}
		a.records[record.Name] = record
		if folder, name, _ := strings.Cut(record.Name, "/"); name == pickleFile {
			if a.folder != "" {
				return archive{}, fmt.Errorf("%s is there twice; a checkpoint holds one state dict", quoted(pickleFile))
			}
			a.folder = folder + "/"
		}
	}
	if a.folder == "" {
		return archive{}, fmt.Errorf("it has no record %s in a folder; torch.save writes one", quoted(pickleFile))
	}
	if a.records[a.folder+byteOrderFile] == nil {
		return a, nil // versions before 2.1 write none
	}
	order, err := a.content(byteOrderFile)
	if err == nil && string(order) != littleEndian {
		err = fmt.Errorf("the byte order is %s; %q is read", quoted(string(order)), littleEndian)
	}
	return a, err
}

// Sizes of the parts of a zip.
const (
	headerSize     = 30 // of the header before a record, without the name; its last 2 bytes say how much follows the name
	descriptorSize = 16 // of the descriptor after a record
	descriptorFlag = 8  // of a record with a descriptor
)

// checkHeaders returns an error unless the records, which are not compressed, follow one another from the start of the file under the names that
// the directory gives them. So a flipped bit in a name hides no record, and records share no bytes.
func checkHeaders(file io.ReaderAt, size int64, records []*zip.File) error {
	position := int64(0)
	for _, record := range records {
		if record.Method != zip.Store || record.CompressedSize64 != record.UncompressedSize64 {
			return fmt.Errorf("the record %s is compressed; torch.save compresses none", quoted(record.Name))
		}
		header := make([]byte, headerSize+len(record.Name))
		start, err := record.DataOffset()
		if err == nil {
			_, err = file.ReadAt(header, position)
		}
		if err != nil {
			return fmt.Errorf("the header of the record %s cannot be read: %w", quoted(record.Name), err)
		}
		extra := binary.LittleEndian.Uint16(header[headerSize-2:])
		if string(header[headerSize:]) != record.Name || start != position+int64(len(header))+int64(extra) {
			return fmt.Errorf("the header of the record %s is not where the record before it ends, or has another name", quoted(record.Name))
		}
		if record.UncompressedSize64 > uint64(size-start) {
			return fmt.Errorf("the record %s has %d bytes, and the file has %d", quoted(record.Name), record.UncompressedSize64, size)
		}
		position = start + int64(record.UncompressedSize64)
		if record.Flags&descriptorFlag != 0 {
			position += descriptorSize
		}
	}
	return nil
}

// content returns the bytes of a record and checks their checksum.
func (a archive) content(name string) ([]byte, error) {
	record := a.records[a.folder+name]
	reader, err := record.Open()
	if err != nil {
		return nil, fmt.Errorf("the record %s cannot be read: %w", quoted(record.Name), err)
	}
	defer func() { _ = reader.Close() }()
	var content bytes.Buffer
	content.Grow(int(record.UncompressedSize64) + bytes.MinRead)
	if _, err := content.ReadFrom(reader); err != nil {
		return nil, fmt.Errorf("the record %s is damaged: %w", quoted(record.Name), err)
	}
	return content.Bytes(), nil
}

// items returns the items of the state dict.
func (a archive) items() ([]item, error) {
	if size := a.records[a.folder+pickleFile].UncompressedSize64; size > mostPickleBytes {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", quoted(pickleFile), size, mostPickleBytes)
	}
	pickle, err := a.content(pickleFile)
	if err != nil {
		return nil, err
	}
	items, err := unpickle(pickle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quoted(pickleFile), err)
	}
	return items, nil
}

// array is a tensor that fits its record.
type array struct {
	name string
	tensor
	elements int64
}

// check returns the arrays of a state dict, or an error that names the first one that does not fit its record.
func (a archive) check(items []item) ([]array, error) {
	arrays := make([]array, len(items))
	names, owners := map[string]bool{}, map[string]string{}
	for i, it := range items {
		t, ok := it.value.(tensor)
		if !ok {
			return nil, fmt.Errorf("%s is %s; a state dict holds tensors", quoted(it.key), kindOf(it.value))
		}
		if names[it.key] {
			return nil, fmt.Errorf("two arrays are named %s", quoted(it.key))
		}
		names[it.key] = true
		if owner, ok := owners[t.storage.key]; ok {
			return nil, fmt.Errorf("%s shares its memory with %s; save a clone of one of them", quoted(it.key), quoted(owner))
		}
		owners[t.storage.key] = it.key
		elements, err := a.checkTensor(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted(it.key), err)
		}
		arrays[i] = array{it.key, t, elements}
	}
	return arrays, nil
}

// checkTensor returns the number of elements of a tensor.
func (a archive) checkTensor(t tensor) (int64, error) {
	name := a.folder + dataFolder + t.storage.key
	record := a.records[name]
	if record == nil {
		return 0, fmt.Errorf("its record %s is missing", quoted(name))
	}
	width, size := t.storage.width(), int64(record.UncompressedSize64)
	if size%width != 0 || t.storage.elements != size/width {
		return 0, fmt.Errorf("its record %s has %d bytes, and %d elements of %d bytes are announced", quoted(name), size, t.storage.elements, width)
	}
	elements, strides, ok := layout(t.shape)
	if !ok || t.offset < 0 || t.offset > t.storage.elements || elements > t.storage.elements-t.offset {
		return 0, fmt.Errorf("its shape is %s from element %d on, and its record has %d elements", list(t.shape), t.offset, t.storage.elements)
	}
	for axis, length := range t.shape {
		if length > 1 && t.strides[axis] != strides[axis] {
			return 0, fmt.Errorf("its strides are %s; the shape %s needs %s, which contiguous() makes", list(t.strides), list(t.shape), list(strides))
		}
	}
	return elements, nil
}

// elements returns the elements of an array.
func (a archive) elements(of array) (any, error) {
	content, err := a.content(dataFolder + of.storage.key)
	if err != nil {
		return nil, err
	}
	data := reflect.MakeSlice(arrayTypes[of.storage.kind], int(of.elements), int(of.elements)).Interface()
	_, err = binary.Decode(content[of.offset*of.storage.width():], binary.LittleEndian, data)
	return data, err
}

// width returns the bytes of an element.
func (s storage) width() int64 { return int64(arrayTypes[s.kind].Elem().Size()) }

// quoted returns text of a file as it may appear in an error: in quotes, without control characters, and short.
func quoted(text string) string { return shortened(strconv.QuoteToASCII(text), 60) }

// list returns a shape as it may appear in an error.
func list(shape []int64) string { return shortened(fmt.Sprint(shape), 60) }

// shortened replaces the middle of a long text.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most/2] + "…" + text[len(text)-most/2:]
}
