@NullMarked
package org.loupe.text;

import org.jspecify.annotations.NullMarked;
