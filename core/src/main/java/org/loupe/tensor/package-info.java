@NullMarked
package org.loupe.tensor;

import org.jspecify.annotations.NullMarked;
