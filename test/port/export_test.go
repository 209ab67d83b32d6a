package port

// TestOnlyIsFree is isFree.
var TestOnlyIsFree = isFree
