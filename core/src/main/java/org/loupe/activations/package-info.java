@NullMarked
package org.loupe.activations;

import org.jspecify.annotations.NullMarked;
