@NullMarked
package org.loupe.trace;

import org.jspecify.annotations.NullMarked;
