@NullMarked
package org.loupe.app;

import org.jspecify.annotations.NullMarked;
