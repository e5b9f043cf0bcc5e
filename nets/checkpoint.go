package nets

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/google/renameio/v2"
	"github.com/sugarme/gotch/pickle"
)

// Entry is one named array of a checkpoint, in row-major order. Data is []float32, []int64 or []uint8.
type Entry struct {
	Name  string
	Shape []int64
	Data  any
}

// Checkpoint is the content of a checkpoint file.
type Checkpoint struct {
	Entries  map[string]Entry
	Settings []byte // JSON that describes the run; nil in a file written by torch.save
}

// settingsFile is the zip entry that holds a checkpoint's settings. torch.load ignores it.
const settingsFile = "archive/settings.json"

// WriteCheckpoint writes entries as a state dict in the format of torch.save, which torch.load(path, weights_only=True) reads. The file is an
// uncompressed zip of a pickle (protocol 2), the arrays' bytes and, if they are not nil, the settings. WriteCheckpoint replaces the file
// atomically.
func WriteCheckpoint(path string, entries []Entry, settings []byte) error {
	var file bytes.Buffer
	archive := zip.NewWriter(&file)
	store := func(name string, content []byte) error {
		w, err := archive.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content)),
		})
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	}

	var p pickler
	p.op("\x80\x02") // protocol 2
	p.global("collections", "OrderedDict")
	p.op(")R(") // call it, mark the items
	arrays := make([][]byte, len(entries))
	for i, entry := range entries {
		var storage string
		switch entry.Data.(type) {
		case []float32:
			storage = "FloatStorage"
		case []int64:
			storage = "LongStorage"
		case []uint8:
			storage = "ByteStorage"
		default:
			return fmt.Errorf("nets: %s is %T; a checkpoint holds []float32, []int64 and []uint8", entry.Name, entry.Data)
		}
		var data bytes.Buffer
		if err := binary.Write(&data, binary.LittleEndian, entry.Data); err != nil {
			return err
		}
		arrays[i] = data.Bytes()
		elements := int64(1)
		strides := make([]int64, len(entry.Shape))
		for axis := len(entry.Shape) - 1; axis >= 0; axis-- {
			strides[axis] = elements
			elements *= entry.Shape[axis]
		}
		if size := int64(binary.Size(entry.Data)); elements == 0 || size%elements != 0 || size/elements > 8 {
			return fmt.Errorf("nets: %s has shape %v and %d bytes of data", entry.Name, entry.Shape, size)
		}
		p.text(entry.Name)
		p.global("torch._utils", "_rebuild_tensor_v2")
		p.op("((")
		p.text("storage")
		p.global("torch", storage)
		p.text(fmt.Sprint(i))
		p.text("cpu")
		p.integer(elements)
		p.op("tQ") // a persistent id: the storage
		p.integer(0)
		p.tuple(entry.Shape)
		p.tuple(strides)
		p.op("\x89") // requires_grad: False
		p.global("collections", "OrderedDict")
		p.op(")RtR")
	}
	p.op("u.")

	if err := store("archive/data.pkl", p.Bytes()); err != nil {
		return err
	}
	if err := store("archive/byteorder", []byte("little")); err != nil {
		return err
	}
	for i, data := range arrays {
		if err := store(fmt.Sprintf("archive/data/%d", i), data); err != nil {
			return err
		}
	}
	if settings != nil {
		if err := store(settingsFile, settings); err != nil {
			return err
		}
	}
	if err := store("archive/version", []byte("3\n")); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return renameio.WriteFile(path, file.Bytes(), 0o644)
}

// pickler writes the few opcodes of Python's pickle that a state dict needs.
type pickler struct{ bytes.Buffer }

func (p *pickler) op(codes string)            { p.WriteString(codes) }
func (p *pickler) global(module, name string) { p.WriteString("c" + module + "\n" + name + "\n") }

func (p *pickler) text(s string) {
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

func (p *pickler) integer(v int64) {
	p.WriteByte('J')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

func (p *pickler) tuple(values []int64) {
	p.WriteByte('(')
	for _, v := range values {
		p.integer(v)
	}
	p.WriteByte('t')
}

// ReadCheckpoint reads a state dict written by WriteCheckpoint or by torch.save.
func ReadCheckpoint(path string) (checkpoint Checkpoint, err error) {
	defer func() {
		// gotch's unpickler can panic on a damaged file.
		if r := recover(); r != nil {
			err = fmt.Errorf("%s is no PyTorch checkpoint: %v", path, r)
		}
	}()
	archive, err := zip.OpenReader(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cannot read the checkpoint %s: %w", path, err)
	}
	checkpoint.Settings, err = fs.ReadFile(archive, settingsFile)
	_ = archive.Close()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, fmt.Errorf("cannot read the settings of the checkpoint %s: %w", path, err)
	}
	object, err := pickle.LoadWithUnpickler(path, func(r io.Reader) pickle.Unpickler { return pickle.NewUnpickler(r) })
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cannot read the checkpoint %s: %w", path, err)
	}
	dict, ok := object.(*pickle.OrderedDict)
	if !ok {
		return Checkpoint{}, fmt.Errorf("%s holds a %T, and a checkpoint holds an OrderedDict of tensors", path, object)
	}
	checkpoint.Entries = make(map[string]Entry, len(dict.Map))
	for key, item := range dict.Map {
		name, isName := key.(string)
		tensor, isTensor := item.Value.(*pickle.StorageTensor)
		if !isName || !isTensor {
			return Checkpoint{}, fmt.Errorf("%s: entry %v is a %T, and a checkpoint holds tensors", path, key, item.Value)
		}
		expected := int64(1)
		for axis := len(tensor.Size) - 1; axis >= 0; axis-- {
			if tensor.Size[axis] != 1 && tensor.Stride[axis] != expected {
				return Checkpoint{}, fmt.Errorf("%s: %s is not contiguous", path, name)
			}
			expected *= tensor.Size[axis]
		}
		entry := Entry{Name: name, Shape: tensor.Size}
		first, last := tensor.StorageOffset, tensor.StorageOffset+expected
		switch data := tensor.Source.GetData().(type) {
		case []float32:
			entry.Data = data[first:last]
		case []int64:
			entry.Data = data[first:last]
		case []uint8:
			entry.Data = data[first:last]
		default:
			return Checkpoint{}, fmt.Errorf("%s: %s holds %T; float32, int64 and uint8 are read", path, name, data)
		}
		checkpoint.Entries[name] = entry
	}
	return checkpoint, nil
}
