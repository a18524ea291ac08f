@NullMarked
package org.loupe.sae;

import org.jspecify.annotations.NullMarked;
