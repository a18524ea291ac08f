@NullMarked
package org.loupe.train;

import org.jspecify.annotations.NullMarked;
