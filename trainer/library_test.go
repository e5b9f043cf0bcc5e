package trainer

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program of another module trains a model, reads its energy and its field, integrates it, and encodes an image, from public packages alone.
func TestAnotherModuleUsesTheLibrary(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/library/main.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  strings.Replace(string(module), "module hnn\n", "module example.org/user\n", 1) + "\nrequire hnn v0.0.0\n\nreplace hnn => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": string(program),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("go", "run", "-mod=mod", ".")
	run.Dir = folder
	output, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "energy and field agree\n") || !strings.Contains(string(output), "a latent state of 2 numbers\n") {
		t.Errorf("%v\n%s", err, output)
	}
}

// No exported declaration of a public package has a type of an internal package or of gotch in its signature.
func TestPublicAPINeedsNoInternalPackage(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case "internal", "cmd", "scripts", "examples", "testdata":
				return fs.SkipDir
			}
			if path != ".." && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		hidden := map[string]bool{}
		for _, i := range file.Imports {
			if p := strings.Trim(i.Path.Value, `"`); strings.Contains(p, "hnn/internal/") || strings.Contains(p, "gotch") {
				hidden[p[strings.LastIndexByte(p, '/')+1:]] = true
			}
		}
		for _, declaration := range file.Decls {
			check := func(name string, node ast.Node) {
				ast.Inspect(node, func(n ast.Node) bool {
					if field, ok := n.(*ast.Field); ok && len(field.Names) > 0 && !field.Names[0].IsExported() && node != declaration {
						if _, method := field.Type.(*ast.FuncType); !method {
							return false // an unexported field of a struct
						}
					}
					if s, ok := n.(*ast.SelectorExpr); ok {
						if p, ok := s.X.(*ast.Ident); ok && hidden[p.Name] {
							t.Errorf("%s: %s needs %s.%s", path, name, p.Name, s.Sel.Name)
						}
					}
					return true
				})
			}
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					for _, list := range []*ast.FieldList{d.Type.Params, d.Type.Results} {
						if list == nil {
							continue
						}
						for _, field := range list.List {
							check(d.Name.Name, field.Type)
						}
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
						check(s.Name.Name, s.Type)
					}
				}
			}
		}
		return nil
	})
	if err != nil || files < 30 {
		t.Errorf("%d files were read: %v", files, err)
	}
}

func receiver(d *ast.FuncDecl) string {
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if identifier, ok := n.(*ast.Ident); ok && name == "" {
			name = identifier.Name
		}
		return true
	})
	return name
}
