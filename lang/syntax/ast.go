package syntax

// Node is a part of the tree.
type Node interface{ Pos() Span }

// Program is a whole script.
type Program struct {
	File    *File
	Shebang string
	// C are the preprocessor lines and type definitions, in order.
	C       []*CText
	Config  *Config
	Imports []*Import
	Probes  []*Probe
	Macros  []*Macro
	Maps    []*MapDecl
	Funcs   []*Func
}

// CText is a preprocessor line or a definition of a C type.
type CText struct {
	Span
	Text string
}

// Config is the block of settings.
type Config struct {
	Span
	Settings []Setting
}

// Setting is one assignment of a [Config].
type Setting struct {
	Span
	Name, Value string
	// Quoted says that the value was a string literal.
	Quoted bool
}

// Import names another file.
type Import struct {
	Span
	Path string
}

// Probe is an action with its attach points.
type Probe struct {
	Span   // of the attach points
	Attach []*AttachPoint
	// Predicate may be nil.
	Predicate Expr
	Body      *Block
}

// AttachPoint is what stands before the braces: "kprobe:vfs_read".
type AttachPoint struct {
	Span
	Raw string
}

// Macro is a named, hygienic piece of script.
type Macro struct {
	Span
	Name string
	// Params are *Var, *Map or *Ident.
	Params []Expr
	Body   *Block
}

// Func is a function: fn name($a: type): type { … }.
type Func struct {
	Span
	Name   string
	Params []Param
	Result *TypeExpr
	Body   *Block
}

// Param is a parameter of a [Func].
type Param struct {
	Span
	Name string
	Type *TypeExpr
}

// MapDecl chooses kind and size of a map: let @a = lruhash(100);
type MapDecl struct {
	Span
	Name, Kind string
	Entries    uint64
}

// Expr is an expression.
type Expr interface {
	Node
	expr()
}

// Expressions.
type (
	// Int is a literal; Text is how it was written.
	Int struct {
		Span
		Value uint64
		Text  string
	}
	// Str is a string literal, escapes resolved.
	Str struct {
		Span
		Value string
	}
	// Bool is true or false.
	Bool struct {
		Span
		Value bool
	}
	// Ident is a bare word: builtin, macro, enumerator or constant.
	Ident struct {
		Span
		Name string
	}
	// PosParam is $1, $2, …
	PosParam struct {
		Span
		N int
	}
	// ParamCount is $#.
	ParamCount struct{ Span }
	// Var is a scratch variable; Name has its dollar.
	Var struct {
		Span
		Name string
	}
	// Map is a map; Name has its @.
	Map struct {
		Span
		Name string
	}
	// Index is x[keys]; several keys only for maps.
	Index struct {
		Span
		X    Expr
		Keys []Expr
	}
	// Field is x.name, x->name or x.0 of a tuple.
	Field struct {
		Span
		X     Expr
		Name  string
		Arrow bool
	}
	// Call is f(args); arguments may be *TypeExpr.
	Call struct {
		Span
		Name string
		Args []Expr
	}
	// SizeOf is sizeof(type or expression).
	SizeOf struct {
		Span
		X Expr
	}
	// OffsetOf is offsetof(type or expression, a.b.c).
	OffsetOf struct {
		Span
		X      Expr
		Fields []string
	}
	// TypeInfo is typeinfo(type or expression).
	TypeInfo struct {
		Span
		X Expr
	}
	// Unary is op x, or x op for postfix ++ and --.
	Unary struct {
		Span
		Op      string
		X       Expr
		Postfix bool
	}
	// Binary is x op y.
	Binary struct {
		Span
		Op   string
		X, Y Expr
	}
	// Cond is c ? x : y; X is nil in the short form c ?: y.
	Cond struct {
		Span
		C, X, Y Expr
	}
	// If is a conditional, as statement or as expression; Else is nil, a
	// *Block or another *If.
	If struct {
		Span
		Cond Expr
		Then *Block
		Else Expr
	}
	// Cast is (type)x.
	Cast struct {
		Span
		Type *TypeExpr
		X    Expr
	}
	// Tuple is (a, b).
	Tuple struct {
		Span
		Elems []Expr
	}
	// Record is (a=1, b=2).
	Record struct {
		Span
		Names []string
		Elems []Expr
	}
	// Block is { statements; value }; Value may be nil.
	Block struct {
		Span
		Stmts []Stmt
		Value Expr
	}
	// Comptime asks for an expression to be decided while compiling.
	Comptime struct {
		Span
		X Expr
	}
	// TypeExpr is a type as written: base, then * and [n] from left to right.
	// Of is set for typeof(…) and then holds an expression or a *TypeExpr.
	TypeExpr struct {
		Span
		Tag  string // "", struct, union or enum
		Name string
		Of   Expr
		Mods []TypeMod
	}
)

// TypeMod is a * (Len < -1), [] (Len -1) or [n] after a type.
type TypeMod struct {
	Pointer bool
	// Len of an array; nil means not given.
	Len Expr
}

func (*Int) expr()        {}
func (*Str) expr()        {}
func (*Bool) expr()       {}
func (*Ident) expr()      {}
func (*PosParam) expr()   {}
func (*ParamCount) expr() {}
func (*Var) expr()        {}
func (*Map) expr()        {}
func (*Index) expr()      {}
func (*Field) expr()      {}
func (*Call) expr()       {}
func (*SizeOf) expr()     {}
func (*OffsetOf) expr()   {}
func (*TypeInfo) expr()   {}
func (*Unary) expr()      {}
func (*Binary) expr()     {}
func (*Cond) expr()       {}
func (*If) expr()         {}
func (*Cast) expr()       {}
func (*Tuple) expr()      {}
func (*Record) expr()     {}
func (*Block) expr()      {}
func (*Comptime) expr()   {}
func (*TypeExpr) expr()   {}

// Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

// Statements.
type (
	// ExprStmt is an expression for its effect; conditionals and blocks too.
	ExprStmt struct {
		Span
		X Expr
	}
	// Assign is lhs op rhs with op =, +=, …; L is *Var, *Map, *Index or *Field.
	Assign struct {
		Span
		L  Expr
		Op string
		R  Expr
	}
	// Let declares a variable; Type and Init may be nil.
	Let struct {
		Span
		Var  *Var
		Type *TypeExpr
		Init Expr
	}
	// Discard is _ = x.
	Discard struct {
		Span
		X Expr
	}
	// For walks a map (Over is *Map) or a range (From, To).
	For struct {
		Span
		Var      *Var
		Over     *Map
		From, To Expr
		Body     *Block
	}
	// While is the loop with a condition.
	While struct {
		Span
		Cond Expr
		Body *Block
	}
	// Unroll repeats its body while compiling.
	Unroll struct {
		Span
		N    Expr
		Body *Block
	}
	// Jump is break, continue or return; X is nil but for return x.
	Jump struct {
		Span
		Word string
		X    Expr
	}
	// ImportStmt is import "path" inside a block.
	ImportStmt struct {
		Span
		Path string
	}
)

func (*ExprStmt) stmt()   {}
func (*Assign) stmt()     {}
func (*Let) stmt()        {}
func (*Discard) stmt()    {}
func (*For) stmt()        {}
func (*While) stmt()      {}
func (*Unroll) stmt()     {}
func (*Jump) stmt()       {}
func (*ImportStmt) stmt() {}
