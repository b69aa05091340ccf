// Package strictyaml reads YAML that people write: strictly, within limits, and
// with errors that point at the place.
//
//	docs, err := strictyaml.Parse("web.yaml", text)
//	err = docs[0].Decode(&service)
//	// web.yaml:7:3: spec.prots: unknown field
//	//   did you mean "ports"?
//
// A field that the Go type does not have, a key written twice, and a value of
// another kind ("80" where a number is wanted) are errors. Aliases, anchors,
// tags and merge keys are refused: resources have no use for them, and they let
// a small file grow without bound. JSON is read as the YAML it is.
//
// Field names are those of the struct tag "json", so that the same types are
// printed by encoding/json under the names they are read by.
package strictyaml
