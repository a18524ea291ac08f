@NullMarked
package org.loupe.experiment;

import org.jspecify.annotations.NullMarked;
