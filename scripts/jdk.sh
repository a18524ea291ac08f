# Sourced by ./loupe and ./mvnw: sets JAVA_HOME to a JDK of release 25 or later, or stops with one line.
# Order: $JAVA_HOME, javac on the PATH, then the folders where distributions put JDKs; LOUPE_JDK_ROOTS, a list of folders
# that hold JDKs separated by colons, takes the place of the latter.

loupe_jdk_release() { # prints the feature release of the JDK in $1, nothing if there is none
  [ -x "$1/bin/javac" ] || return 0
  sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null
}

loupe_find_jdk() {
  loupe_roots="${LOUPE_JDK_ROOTS-/usr/lib/jvm:${HOME-}/.sdkman/candidates/java:${HOME-}/.jdks:/opt/java:/opt}"
  for loupe_candidate in "${JAVA_HOME-}" \
    "$(dirname "$(dirname "$(readlink -f "$(command -v javac || echo /none/none/none)")")")"; do
    loupe_take_jdk "$loupe_candidate" && return 0
  done
  while [ -n "$loupe_roots" ]; do
    loupe_root="${loupe_roots%%:*}"
    case "$loupe_roots" in *:*) loupe_roots="${loupe_roots#*:}" ;; *) loupe_roots="" ;; esac
    for loupe_candidate in "$loupe_root"/*; do
      loupe_take_jdk "$loupe_candidate" && return 0
    done
  done
  echo "Loupe needs a JDK 25 or later and found none: install one (Debian: temurin-25-jdk or openjdk-25-jdk) or set JAVA_HOME to it." >&2
  return 1
}

loupe_take_jdk() { # exports JAVA_HOME and succeeds if $1 is recent enough
  loupe_release="$(loupe_jdk_release "$1")"
  [ -n "$loupe_release" ] && [ "$loupe_release" -ge 25 ] || return 1
  JAVA_HOME="$1"
  export JAVA_HOME
}

loupe_find_jdk || exit 2
