# Sourced by ./loupe and ./mvnw: sets JAVA_HOME to a JDK of release 25 or later, or stops with one line.
# Order: $JAVA_HOME, java on the PATH, then the folders where distributions put JDKs.

loupe_jdk_release() { # prints the feature release of the JDK in $1, nothing if there is none
  [ -x "$1/bin/javac" ] || return 0
  sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null
}

loupe_find_jdk() {
  for loupe_candidate in "${JAVA_HOME-}" \
    "$(dirname "$(dirname "$(readlink -f "$(command -v javac || echo /none/none/none)")")")" \
    /usr/lib/jvm/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* /opt/java/* /opt/jdk* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    loupe_release="$(loupe_jdk_release "$loupe_candidate")"
    if [ -n "$loupe_release" ] && [ "$loupe_release" -ge 25 ]; then
      JAVA_HOME="$loupe_candidate"
      export JAVA_HOME
      return 0
    fi
  done
  echo "Loupe needs a JDK 25 or later and found none: install one (Debian: temurin-25-jdk or openjdk-25-jdk) or set JAVA_HOME to it." >&2
  return 1
}

loupe_find_jdk || exit 2
