@NullMarked
package org.loupe.index;

import org.jspecify.annotations.NullMarked;
