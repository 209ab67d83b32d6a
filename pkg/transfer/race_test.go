//go:build race

package transfer

// raceCost: the race detector makes a program 2 to 20 times slower, says its manual;
// 4 to 5 times here.
const raceCost = 10
