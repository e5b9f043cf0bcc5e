package nets_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hnn/nets"
)

func ExampleReadCheckpoint() {
	checkpoint, err := nets.ReadCheckpoint("../hamiltonian/testdata/real-hnn.tar") // as torch.save wrote it
	if err != nil {
		log.Fatal(err)
	}
	weight := checkpoint.Entries["differentiable_model.linear1.weight"]
	fmt.Println(len(checkpoint.Entries), "entries,", weight.Name, weight.Shape)
	// Output: 5 entries, differentiable_model.linear1.weight [200 2]
}

func ExampleWriteCheckpoint() {
	folder, err := os.MkdirTemp("", "nets")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "identity.tar")
	identity := nets.Entry{Name: "linear1.weight", Shape: []int64{2, 2}, Data: []float32{1, 0, 0, 1}}
	if err := nets.WriteCheckpoint(path, []nets.Entry{identity}, nil); err != nil {
		log.Fatal(err)
	}
	checkpoint, err := nets.ReadCheckpoint(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(checkpoint.Entries["linear1.weight"].Data)
	// Output: [1 0 0 1]
}
