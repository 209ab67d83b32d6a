package remote

// The scripts that Bootstrap runs on a host. They obey Command: one line, no
// single quote, no "!", no backslash; and they use no more than POSIX's sh with
// "test -O", head -c and sha256sum, which coreutils and busybox have.
//
// They talk with us in lines that begin with a mark, which is made from two
// words so that a shell that echoes its commands does not forge one. After each
// line they wait for us, so no program reads ahead what is meant for the next
// (busybox's head does, if it can).
//
//	host                     we
//	login UID                                        (becomeScript only)
//	                         password, when sudo asks (on stderr)
//	hello SYSTEM MACHINE UID
//	                         FILE SHA256 SIZE gzip|plain
//	need                                             (when FILE is absent)
//	                         SIZE bytes
//	need gzip                                        (if it has gzip, and may)
//	                         PACKED, and a line's end
//	                         PACKED bytes
//	ready PATH                                       then the agent runs
//	fail STEP MESSAGE                                at any time

// agentScript gets the two words, the base directory and the agent's words.
const agentScript = "" +
	// A login without PATH, or with one that lacks sbin, is no reason to fail.
	`set +xv; PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ` +
	`m=$1$2; b=$3; d=$b/bin; t=; shift 3; umask 022; LC_ALL=C; export LC_ALL; ` +
	`say() { echo; echo "$m $*"; }; ` +
	`fail() { test -z "$t" || rm -f "$t"; say fail "$@"; exit 1; }; ` +
	`same() { test "$(sha256sum <"$1")" = "$h  -"; }; ` +

	// Whoever may write here could put a program of his own in our place.
	`own() { test -O "$1" || fail own "$1 belongs to another user"; ` +
	`case $(ls -ld "$1/.") in d????w*|d???????w*) fail own "$1 can be written by others";; esac; }; ` +

	`fetch() { t=$p.new-$m; e=$( (: >"$t") 2>&1) || fail write "$e"; ` +
	`if test "$z" = gzip && command -v gzip >/dev/null 2>&1; then ` +
	// gzip begins some of its messages with an empty line: unquoted, it is none.
	`say need gzip; read -r k || exit 1; e=$( (head -c "$k" | gzip -dc) 2>&1 >"$t") || fail write gzip: $e; ` +
	`else say need; e=$(head -c "$n" 2>&1 >"$t") || fail write "$e"; fi; ` +
	`e=$(same "$t" 2>&1) || fail sum "$e"; ` +
	`e=$(chmod 0755 "$t" 2>&1 && mv -f "$t" "$p" 2>&1) || fail write "$e"; t=; }; ` +

	`say hello "$(uname -s)" "$(uname -m)" "$(id -u)"; ` +
	`read -r f h n z || exit 1; p=$d/$f; ` +
	`e=$(mkdir -p "$d" 2>&1) || fail write "$e"; own "$b"; own "$d"; ` +
	`test -f "$p" && same "$p" || fetch; ` +

	// Only running it tells of noexec, of a security module, of a wrong build.
	`e=$("$p" --help 2>&1 >/dev/null </dev/null) || fail run "$? $e"; ` +
	`say ready "$p"; exec "$p" agent "$@"`

// becomeScript gets agentScript and its words. sudo's prompt is the two words
// the other way round, on standard error: the password is sent when it is
// seen there and never else, so a sudo that asks for nothing leaves nothing
// for the agent to read. -k, for a cached login would not ask.
const becomeScript = "" +
	`set +xv; PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ` +
	`s=$1; shift; u=$(id -u); echo; echo "$1$2 login $u"; ` +
	`if test "$u" = 0; then exec sh -c "$s" daisy-mcast "$@"; fi; ` +
	`if sudo -n sh -c : </dev/null >/dev/null 2>&1; then exec sudo -n sh -c "$s" daisy-mcast "$@"; fi; ` +
	`exec sudo -S -k -p "$2$1" sh -c "$s" daisy-mcast "$@"`

// becomeQuietScript is becomeScript for when we have no password to give.
const becomeQuietScript = "" +
	`set +xv; PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ` +
	`s=$1; shift; u=$(id -u); echo; echo "$1$2 login $u"; ` +
	`if test "$u" = 0; then exec sh -c "$s" daisy-mcast "$@"; fi; ` +
	`exec sudo -n sh -c "$s" daisy-mcast "$@"`
