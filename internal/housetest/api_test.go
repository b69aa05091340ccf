package housetest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// public are the packages whose API is promised to importers.
var public = []string{
	"abi", "choose", "demo", "doctor", "embedded", "engine", "engine/enginetest",
	"inspect", "isa", "kernel", "lab", "object", "replay", "verifier", "verifier/page", "vm", "bpf",
	"lang", "lang/syntax", "trace", "trace/flame", "trace/picture", "trace/profile", "trace/symbol", "trace/tools", "trace/unwind",
	"agent", "client", "net/health", "net/lb", "net/maglev", "net/proxy", "net/service",
}

// TestPublicAPI compares each public package's exported declarations with
// golden text, so that a change of the API is seen in review. Rewrite with
// go test ./internal/housetest -update.
func TestPublicAPI(t *testing.T) {
	for _, name := range public {
		t.Run(name, func(t *testing.T) {
			got := exported(t, filepath.Join("..", "..", filepath.FromSlash(name)))
			golden := filepath.Join("testdata", "api", strings.ReplaceAll(name, "/", "_")+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("exported API of %s changed (-golden +now); if that is meant, go test ./internal/housetest -update\n%s", name, diff)
			}
		})
	}
}

// exported renders the exported declarations of the package in dir as built
// for linux/amd64, sorted, without comments and bodies.
func exported(t *testing.T, dir string) string {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", "amd64", false
	bp, err := ctx.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var decls []string
	for _, file := range bp.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		for _, d := range f.Decls {
			decls = append(decls, render(t, fset, d)...)
		}
	}
	slices.Sort(decls)
	return strings.Join(decls, "\n") + "\n"
}

func render(t *testing.T, fset *token.FileSet, d ast.Decl) []string {
	t.Helper()
	var out []string
	one := func(n any) {
		var b bytes.Buffer
		if err := printer.Fprint(&b, fset, n); err != nil {
			t.Fatal(err)
		}
		out = append(out, b.String())
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		d.Body, d.Doc = nil, nil
		if d.Recv != nil && !exportedReceiver(d.Recv) {
			return nil
		}
		one(d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ImportSpec:
				continue
			case *ast.TypeSpec:
				s.Doc, s.Comment = nil, nil
				stripComments(s)
			case *ast.ValueSpec:
				s.Doc, s.Comment = nil, nil
				if d.Tok == token.VAR {
					s.Values = nil
				}
			}
			one(&ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{s}})
		}
	}
	return out
}

func exportedReceiver(r *ast.FieldList) bool {
	typ := r.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			panic(fmt.Sprintf("BUG: receiver %T", x))
		}
	}
}

func stripComments(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok {
			f.Doc, f.Comment = nil, nil
		}
		return true
	})
}
