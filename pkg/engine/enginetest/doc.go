// Package enginetest helps to test what uses pkg/engine: [Run] is the
// conformance test that every engine has to pass, [NewFake] an engine on a unix
// socket that needs neither root nor Docker. The fake's answers are those that
// Docker 20.10 and Podman 4.3 were seen to give.
package enginetest
