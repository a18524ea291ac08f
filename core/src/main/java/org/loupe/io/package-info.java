@NullMarked
package org.loupe.io;

import org.jspecify.annotations.NullMarked;
