/** The native low-precision product behind {@code precision: fast}. */
@NullMarked
package org.loupe.onednn;

import org.jspecify.annotations.NullMarked;
