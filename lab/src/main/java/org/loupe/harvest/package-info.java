@NullMarked
package org.loupe.harvest;

import org.jspecify.annotations.NullMarked;
