@NullMarked
package org.loupe.lm;

import org.jspecify.annotations.NullMarked;
