@NullMarked
package org.loupe.eval;

import org.jspecify.annotations.NullMarked;
