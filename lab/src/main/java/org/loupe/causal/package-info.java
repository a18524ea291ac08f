@NullMarked
package org.loupe.causal;

import org.jspecify.annotations.NullMarked;
